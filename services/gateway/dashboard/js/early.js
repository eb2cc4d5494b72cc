// Runs before the first paint: a theme that was chosen must not flash in late.
// A classic script, because modules wait for the document.
try {
  const theme = localStorage.getItem("ragstream.theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Without storage the system's preference decides.
}
