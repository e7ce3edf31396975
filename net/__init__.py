"""The network: `core` decides (sans-IO), `transport` and `sim` drive it, `rpc` shows the node to its users."""
