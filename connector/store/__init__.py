"""The record: what the service keeps in PostgreSQL. The only package that imports asyncpg or supabase."""
