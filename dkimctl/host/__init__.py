"""Facts about this machine, read and never judged here: accounts, units, data sets, Postfix, the clock."""
