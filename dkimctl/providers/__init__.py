"""Accounts in which key records are published. One folder or file per provider; each implements `base.Provider`."""
