// Your preferences: from the system, or chosen here and kept in this browser.

const KEY = 'ipcscope-theme'

/** Whether motion is to be avoided. */
export const still = () => matchMedia('(prefers-reduced-motion: reduce)').matches

/** Whether it is dark now. */
export function dark() {
  const chosen = document.documentElement.dataset.theme
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
}

/** The other theme, kept. */
export function flipTheme() {
  const theme = dark() ? 'light' : 'dark'
  document.documentElement.dataset.theme = theme
  try {
    localStorage.setItem(KEY, theme)
  } catch {
    // A browser that keeps nothing still shows the theme until the page is left.
  }
}
