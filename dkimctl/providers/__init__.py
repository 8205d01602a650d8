"""Accounts in which key records are published. One file per provider, all behind `base.Provider`."""
