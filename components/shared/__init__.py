"""What pages and views share: style, forms, states, help, selection, export."""
