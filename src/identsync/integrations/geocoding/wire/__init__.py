"""What each provider spells its own way: one file a provider."""
