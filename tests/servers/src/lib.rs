//! Private servers for tests: started on a free port in a temporary folder, and ended by their handle.
