"""How dates read in each language; Django finds a module here by the language's code."""
