/** A node's temporary, exclusive right to a delivery. */
export interface Lease {
  owner: string
  until: number
}
