"""The nouns of a check and the rule of the verdict; nothing here measures."""
