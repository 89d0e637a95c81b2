/** What Redis lets be a client's name: printable ASCII without spaces, or nothing. */
export const isClientName = (name: string): boolean => /^[!-~]*$/.test(name)
