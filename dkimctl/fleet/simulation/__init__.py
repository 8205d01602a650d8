"""A fleet's year in minutes: the real core and the real SQL, with simulated relays, DNS and time.

scratch       a database that is made for one simulation, and dropped
moment        simulated time, for the program and for the database
account       the account, two name servers, and what they served when
relays        relays that sync, sign, and are away at times
judge         the invariants, judged by what the simulated world did and never by what dkimctl noted
load          the calendar of load
effects       the actions of a plan, done in this world
fill          domains with keys of all ages
world         the loop; pool: key pairs that its domains share
simulate      the domains shared among processes, and the result
"""
