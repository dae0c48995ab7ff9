/** The words that messages are found by. */
export const channelLabel = (channel: string): string => `c:${channel}`
export const tagLabel = (tag: string): string => `t:${tag}`
