// Adds a button to each kept request that copies its command for curl.
function copyable(part) {
  const command = part.querySelector("pre");
  const button = make("button", { type: "button", class: "quiet" }, "Copy as curl");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      announce("Copied");
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy as curl"; }, 2000);
    } catch { // no access to the clipboard
      part.open = true;
      getSelection().selectAllChildren(command);
      announce("Selected: copy it with Ctrl+C");
    }
  });
  part.before(button);
}
document.querySelectorAll("[data-curl]").forEach(copyable);
