-- The read side. Each function answers one JSON value: a list is {"items": [...], "total": n}. A null owner or company does not narrow.

create function public.vigia_messages(
  atendimento uuid, owner text default null, company text default null, max_items integer default 100, skip integer default 0
) returns jsonb
language sql stable security invoker set search_path = '' as $$
  with attendance as (
    select coalesce(a.merged_into, a.id) as id from public.whatsapp_atendimentos a
     where a.id = atendimento and (owner is null or a.owner_id = owner) and (company is null or a.company_id = company)
  ), page as (
    select m.* from public.whatsapp_mensagens m join attendance a on m.atendimento_id = a.id
     order by m."timestamp", m.seq limit max_items offset skip
  )
  select case when exists (select from attendance) then jsonb_build_object(
    'items', coalesce((select jsonb_agg(to_jsonb(p) - 'seq' order by p."timestamp", p.seq) from page p), '[]'),
    'total', (select count(*) from public.whatsapp_mensagens m join attendance a on m.atendimento_id = a.id)) end
$$;

create function public.vigia_message(message uuid, owner text default null, company text default null) returns jsonb
language sql stable security invoker set search_path = '' as $$
  select to_jsonb(m) - 'seq' from public.whatsapp_mensagens m
   where m.id = message and (owner is null or m.owner_id = owner) and (company is null or m.company_id = company)
$$;

create function public.vigia_active_atendimentos(
  owner text default null, company text default null, session uuid default null, max_items integer default 100, skip integer default 0
) returns jsonb
language sql stable security invoker set search_path = '' as $$
  with active as (
    select a.*, s.connection_id
      from public.whatsapp_atendimentos a join public.whatsapp_sessions s on s.id = a.session_id
     where a.status in ('AGUARDANDO', 'EM_ATENDIMENTO')
       and (owner is null or a.owner_id = owner) and (company is null or a.company_id = company)
       and (session is null or a.session_id = session)
  ), page as (
    select * from active order by prioridade desc, ultima_mensagem desc, id limit max_items offset skip
  )
  select jsonb_build_object(
    'items', coalesce((select jsonb_agg(to_jsonb(p) order by p.prioridade desc, p.ultima_mensagem desc, p.id) from page p), '[]'),
    'total', (select count(*) from active))
$$;

-- Answers the changed attendance, or null when there is none of that id (and owner). A second open one of a customer is refused (23505).
create function public.vigia_set_atendimento_status(
  atendimento uuid, new_status text, owner text default null, company text default null
) returns jsonb
language plpgsql security invoker set search_path = '' as $$
declare
  changed public.whatsapp_atendimentos;
begin
  update public.whatsapp_atendimentos a set status = new_status
   where a.id = atendimento and (owner is null or a.owner_id = owner) and (company is null or a.company_id = company)
  returning a.* into changed;
  if not found then
    return null;
  end if;
  return to_jsonb(changed) || jsonb_build_object(
    'connection_id', (select s.connection_id from public.whatsapp_sessions s where s.id = changed.session_id));
end $$;

create function public.vigia_sessions(
  owner text default null, company text default null, max_items integer default 100, skip integer default 0
) returns jsonb
language sql stable security invoker set search_path = '' as $$
  with ours as (
    select * from public.whatsapp_sessions s
     where (owner is null or s.owner_id = owner) and (company is null or s.company_id = company)
  ), page as (
    select * from ours order by created_at, id limit max_items offset skip
  )
  select jsonb_build_object(
    'items', coalesce((select jsonb_agg(to_jsonb(p) order by p.created_at, p.id) from page p), '[]'),
    'total', (select count(*) from ours))
$$;

-- What this database is, so that a service can tell whether it fits: the schema's number, and the newest version that any row carries.
create function public.vigia_schema() returns jsonb
language sql stable security invoker set search_path = '' as $$
  select jsonb_build_object('number', 1, 'newest_version', (select coalesce(max(version), 0) from public.whatsapp_sessions))
$$;

-- Every function of ours is the service's alone.
do $$
declare
  ours regprocedure;
begin
  for ours in select p.oid::regprocedure from pg_catalog.pg_proc p
               where p.pronamespace = 'public'::regnamespace and p.proname like 'vigia\_%' loop
    execute format('revoke all on function %s from public, anon, authenticated', ours);
    execute format('grant execute on function %s to service_role', ours);
  end loop;
end $$;
