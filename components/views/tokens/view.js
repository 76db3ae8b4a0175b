// Tokens side by side, each with its id; the colours only tell neighbours apart.

const TOKEN_COLOURS = 6;

/** A token as it can be read: a line break and a tab are drawn, a space keeps its width. */
const visible = (text) => text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "·");

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".llm-tokens");
  root.replaceChildren();
  data.tokens.forEach(([id, text], index) => {
    const token = element("span", "llm-token");
    token.style.background = `var(--llm-token-${index % TOKEN_COLOURS})`;
    token.title = `token ${id}`;
    token.append(element("span", "llm-token-text", visible(text)), element("span", "llm-token-id", String(id)));
    root.append(token);
    if (text.includes("\n")) root.append(element("span", "llm-token-break"));
  });
}
