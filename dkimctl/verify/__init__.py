"""Does the world see the key record, and is it right?"""
