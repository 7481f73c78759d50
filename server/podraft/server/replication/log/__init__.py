"""A member's log on its disk: the records that it consists of, and the thread that writes them."""
