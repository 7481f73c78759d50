"""Writing objects: made, changed, edited by hand."""
