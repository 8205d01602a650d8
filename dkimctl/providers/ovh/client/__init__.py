"""The one adapter to the `ovh` library and to the HTTP library below it."""
