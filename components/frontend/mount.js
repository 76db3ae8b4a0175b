// How a view is mounted on a page, in the app and in a standalone page.

/**
 * What the Python side hands to a component, and its callbacks (Streamlit's components v2).
 *
 * @typedef {object} Component
 * @property {any} data what the view's `data` function returns in Python
 * @property {Element} parentElement
 * @property {(name: string, value: unknown) => void} setStateValue
 * @property {(name: string, value: unknown) => void} [setTriggerValue]
 */

/**
 * How a view reports to the page: a state value stays until it is set again, a trigger lasts for one run of the page.
 *
 * @typedef {object} Page
 * @property {(name: string, value: unknown) => void} report
 * @property {(name: string, value: unknown) => void} trigger
 */

/**
 * A view that is on the page. It sets `root.dataset.drawn` once it shows its data.
 *
 * @typedef {object} View
 * @property {(data: any) => void} update other data of the same identity, or a change of theme
 * @property {() => void} [stop] called when it leaves the page or another view takes over its root
 */

/**
 * A class of views. Data of another identity get a new view in the same root.
 *
 * @typedef {object} ViewClass
 * @property {(data: any) => string} identity
 */

/**
 * The function that draws a component: creates its view, or updates the existing one (`root.llmView`).
 *
 * @param {(new (root: HTMLElement, data: any, page: Page) => View) & ViewClass} ViewClass
 * @returns {(component: Component) => () => void}
 */
export function mount(ViewClass) {
  return ({ data, parentElement, setStateValue, setTriggerValue }) => {
    const root = /** @type {HTMLElement & { llmView?: View, llmPage?: Page, llmIdentity?: string }} */ (
      parentElement.querySelector("[data-view]"));
    // only the callbacks of the latest run are valid
    root.llmPage = Object.assign(root.llmPage ?? {}, { report: setStateValue, trigger: setTriggerValue ?? setStateValue });
    const identity = ViewClass.identity(data);
    if (root.llmView && root.llmIdentity === identity) {
      root.llmView.update(data);
    } else {
      root.llmView?.stop?.();
      delete root.dataset.drawn;
      root.llmIdentity = identity;
      root.llmView = new ViewClass(root, data, root.llmPage);
    }
    return () => {
      if (root.isConnected) return;
      root.llmView?.stop?.();
      delete root.llmView;
    };
  };
}
