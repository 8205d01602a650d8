"""DNS asked: an engine for one name and for a million, the zones and their servers, the resolvers' view."""
