"""SPF and DMARC in one look: whether they exist and parse, and whether DMARC counts what is signed here.

look   asks for the records of a domain, and judges them
spf    the form of an SPF record
dmarc  the form of a DMARC record
"""

from dkimctl.verify.mail_auth.look import look

__all__ = ["look"]
