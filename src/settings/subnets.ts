import { contains, parseAddress, parseSubnet } from '../destinations/address-ranges.ts'

const METADATA = '169.254.169.254'

/** What is probably not meant by ALLOWED_SUBNETS, a sentence for each subnet that was read before. */
export function subnetDoubts(subnets: readonly string[]): string[] {
  return subnets.flatMap((text) => {
    const subnet = parseSubnet(text)
    if (typeof subnet === 'string') return []
    if (subnet.prefix === 0) return [`${text} allows every address: deliveries reach this machine and its network`]
    return contains(subnet, parseAddress(METADATA)!)
      ? [`${text} contains ${METADATA}: in a cloud deliveries reach the machine's credentials there`]
      : []
  })
}
