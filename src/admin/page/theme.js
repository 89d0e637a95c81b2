// Light or dark: as the system says, unless somebody chooses here. The choice is kept in this browser.

const KEY = 'respool.theme'

export function startTheme(select) {
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme
  }
  const kept = read()
  select.value = ['auto', 'light', 'dark'].includes(kept) ? kept : 'auto'
  apply(select.value)
  select.addEventListener('change', () => {
    apply(select.value)
    write(select.value)
  })
}

/** A browser may keep nothing for this page, and says so by throwing. The choice then lasts as long as the page. */
function read() {
  try {
    return localStorage.getItem(KEY)
  } catch {
    return null
  }
}

function write(theme) {
  try {
    localStorage.setItem(KEY, theme)
  } catch {
    // Nothing to do: see above.
  }
}
