"""OVH's DNS, through the `ovh` library. The only door to it is `door`."""
