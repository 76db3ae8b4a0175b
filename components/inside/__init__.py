"""The views of the page Inside, a module each: `show(look)` draws the view, `ANSWERS` is what it fetches."""
