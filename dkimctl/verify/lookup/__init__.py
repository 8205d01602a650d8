"""One name looked up everywhere: its zone, every address of its servers, its CNAMEs, the resolvers."""
