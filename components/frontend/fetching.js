// Numbers from the server, or from data: URLs in a standalone page.

/**
 * The bytes at an address. Throws an error with the server's message if it refuses.
 *
 * @param {string} address
 */
export async function fetchBytes(address) {
  let response;
  try {
    response = await fetch(address);
  } catch {
    throw new Error("The server does not respond. Is it still running?");
  }
  if (!response.ok) throw new Error((await response.text()).slice(0, 500) || response.statusText);
  return response.arrayBuffer();
}

/**
 * The JSON at an address.
 *
 * @param {string} address
 * @returns {Promise<any>}
 */
export const fetchJson = async (address) => JSON.parse(new TextDecoder().decode(await fetchBytes(address)));

/**
 * Calls `ask()` until the returned function is called; `ask` returns the milliseconds until the next call. Pauses in a hidden
 * tab.
 *
 * @param {() => Promise<number>} ask
 * @returns {() => void}
 */
export function poll(ask) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let stopped = false;
  async function turn() {
    const wait = document.hidden ? 1000 : await ask();
    if (!stopped) timer = setTimeout(turn, wait);
  }
  turn();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
