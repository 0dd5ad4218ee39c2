//! Pages of what lies in folders: every part is there, nothing else is needed.
