// Runs before the first paint, so that a chosen theme does not flash.
try {
  const theme = localStorage.getItem('ipcscope-theme')
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme
} catch {
  // Nothing is kept in this browser: the system's theme it is.
}
