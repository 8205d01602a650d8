"""The life of a key over months: made, published, signing, retired."""
