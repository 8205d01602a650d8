"""OVH's DNS, through the `ovh` library, which only the `client` modules import."""
