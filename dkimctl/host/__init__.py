"""Facts about this machine, read but never judged: accounts, units, data sets, Postfix, the clock."""
