/** Takes the first occurrence of an item out of a list, if it is there. */
export function remove<T>(list: T[], item: T): void {
  const index = list.indexOf(item)
  if (index !== -1) list.splice(index, 1)
}
