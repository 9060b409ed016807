"""Pure drawing: from a record of `monitor.store.queries.views` to a plotly figure or to SVG."""
