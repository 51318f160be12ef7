-- What Supabase has and a plain PostgreSQL lacks: its three roles, and the helpers that policies ask who is calling.
-- Run only where auth.uid() is missing.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['anon', 'authenticated', 'service_role'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = wanted) then
      begin
        execute format('create role %I nologin %s', wanted, case when wanted = 'service_role' then 'bypassrls' else '' end);
      exception
        when duplicate_object or unique_violation then null;  -- made this moment, by a migration of another database beside us
        when insufficient_privilege then  -- only a superuser makes a role that passes policies; we connect as the tables' owner anyway
          execute format('create role %I nologin', wanted);
      end;
    end if;
  end loop;
end $$;
create schema if not exists auth;
create or replace function auth.jwt() returns jsonb language sql stable set search_path = '' as $$
  select coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb
$$;
create or replace function auth.uid() returns uuid language sql stable set search_path = '' as $$
  select nullif(auth.jwt() ->> 'sub', '')::uuid
$$;
grant usage on schema auth to anon, authenticated, service_role;
grant execute on function auth.jwt(), auth.uid() to anon, authenticated, service_role;
