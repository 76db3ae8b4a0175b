// Tokens side by side, each with its id; the colours only tell neighbours apart.

import { element } from "../../frontend/dom.js";
import { escapeToken } from "../../frontend/format.js";
import { mount } from "../../frontend/mount.js";

/** @typedef {{ tokens: [id: number, text: string][] }} Data */

const TOKEN_COLOURS = 6;

class Tokens {
  static identity = () => "";

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   */
  constructor(root, data) {
    this.root = root;
    root.tabIndex = 0; // many tokens scroll
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "Tokens");
    this.update(data);
  }

  /** @param {Data} data */
  update(data) {
    this.root.replaceChildren();
    data.tokens.forEach(([id, text], index) => {
      const token = element("span", "llm-token");
      token.style.background = `var(--llm-token-${index % TOKEN_COLOURS})`;
      token.title = `token ${id}`;
      token.append(element("span", "llm-token-text", escapeToken(text)), element("span", "llm-token-id", String(id)));
      this.root.append(token);
      if (text.includes("\n")) this.root.append(element("span", "llm-token-break"));
    });
  }
}

export default mount(Tokens);
