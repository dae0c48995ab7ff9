/** Labels: the words by which messages are found. */
import type { MessageFilter } from '../port/messages.ts'

const channelLabel = (channel: string): string => `c:${channel}`
const tagLabel = (tag: string): string => `t:${tag}`

/** The labels of a message, each once. */
export const labelsOfMessage = ({
  channels,
  tags,
}: {
  channels: readonly string[] | null
  tags: readonly string[] | null
}): string[] => [...new Set([...(channels ?? []).map(channelLabel), ...(tags ?? []).map(tagLabel)])]

/** The labels that a filter asks for. The tag comes first, because it is usually rarer than the channel. */
export const labelsOf = ({ channel, tag }: Pick<MessageFilter, 'channel' | 'tag'>): string[] => [
  ...(tag === null ? [] : [tagLabel(tag)]),
  ...(channel === null ? [] : [channelLabel(channel)]),
]
