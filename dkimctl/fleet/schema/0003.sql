-- When the next request with each credential may be made: one budget for all workers, whatever their host. Not logged:
-- after a crash there is no row, which is as if no request had been made for a while.

CREATE UNLOGGED TABLE dkimctl.request_budget (
    credential text PRIMARY KEY, -- its digest, from which it cannot be recovered
    free timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON dkimctl.request_budget TO dkimctl_control;
