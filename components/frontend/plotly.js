// Plotly's own script, as its Python package ships it: loaded once, and only by views that draw with it.

/** @typedef {{ react: Function, purge: (chart: HTMLElement) => void }} Plotly */

/** @type {Promise<Plotly> | null} */
let loaded = null;

/**
 * Plotly, from the address where the app serves it.
 *
 * @param {string} address
 * @returns {Promise<Plotly>}
 */
export function loadPlotly(address) {
  loaded ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.nonce = /** @type {HTMLElement} */ (document.querySelector("script[nonce]"))?.nonce ?? ""; // standalone pages
    script.src = address;
    script.onload = () => resolve(/** @type {any} */ (window).Plotly);
    script.onerror = () => {
      loaded = null;
      reject(new Error("the charts' script did not load"));
    };
    document.head.append(script);
  });
  return loaded;
}
