-- Whether the settings of a configuration encrypt. Key servers know a title by its content ID, so
-- a group with such a configuration takes no asset without one; `settings` stays unsearched.
-- Configurations from before this column could not encrypt.
ALTER TABLE configuration
    ADD COLUMN encrypted INTEGER NOT NULL DEFAULT 0 CHECK (encrypted IN (0, 1));
