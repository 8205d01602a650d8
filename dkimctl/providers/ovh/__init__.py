"""OVH's DNS, through the `ovh` library. The only adapter to it is `client`."""
