/** The file or database cannot be used; the message is one line for the operator. */
export class UnusableDatabase extends Error {
  override readonly name = 'UnusableDatabase'
}
