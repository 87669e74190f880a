"""The public transforms: they flatten, check arguments, and call the level below."""
