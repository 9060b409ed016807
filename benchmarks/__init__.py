"""Speed beside the peers: the same work, on the same data, in turn, in the same run."""
