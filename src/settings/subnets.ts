import { contains, parseAddress, parseSubnet } from '../destinations/address-ranges.ts'

const METADATA = '169.254.169.254'

/** Warnings about entries of ALLOWED_SUBNETS that are probably a mistake, a sentence for each subnet. */
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
