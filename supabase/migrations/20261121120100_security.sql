-- Who may do what. The service writes through functions; a signed-in person reads what is theirs or their company's; nobody else sees anything.

alter table public.whatsapp_sessions         enable row level security;
alter table public.whatsapp_contacts         enable row level security;
alter table public.whatsapp_contact_aliases  enable row level security;
alter table public.whatsapp_atendimentos     enable row level security;
alter table public.whatsapp_mensagens        enable row level security;
alter table public.whatsapp_pending_receipts enable row level security;
alter table public.whatsapp_configuracoes    enable row level security;

do $$
declare
  tbl text;
  ours constant text := '(owner_id = (select auth.uid())::text or company_id = (select auth.jwt() -> ''app_metadata'' ->> ''company_id''))';
begin
  foreach tbl in array array['whatsapp_sessions', 'whatsapp_contacts', 'whatsapp_contact_aliases', 'whatsapp_atendimentos',
                             'whatsapp_mensagens', 'whatsapp_configuracoes'] loop
    execute format('create policy %I on public.%I for select to authenticated using %s', tbl || '_read', tbl, ours);
  end loop;
  foreach tbl in array array['whatsapp_atendimentos', 'whatsapp_mensagens'] loop
    execute format('create policy %I on public.%I for update to authenticated using %s with check %s', tbl || '_change', tbl, ours, ours);
  end loop;
end $$;

-- Settings are written by their owner alone: a colleague reads them.
create policy whatsapp_configuracoes_write on public.whatsapp_configuracoes for all to authenticated
  using (owner_id = (select auth.uid())::text)
  with check (owner_id = (select auth.uid())::text
              and (company_id is null or company_id = (select auth.jwt() -> 'app_metadata' ->> 'company_id')));

-- Older Supabase projects grant everything on a new table to everybody, newer ones nothing: begin from nothing.
revoke all on public.whatsapp_sessions, public.whatsapp_contacts, public.whatsapp_contact_aliases, public.whatsapp_atendimentos,
  public.whatsapp_mensagens, public.whatsapp_pending_receipts, public.whatsapp_configuracoes from public, anon, authenticated;
grant usage on schema public to authenticated, service_role;
grant select, insert, update, delete on public.whatsapp_sessions, public.whatsapp_contacts, public.whatsapp_contact_aliases,
  public.whatsapp_atendimentos, public.whatsapp_mensagens, public.whatsapp_pending_receipts, public.whatsapp_configuracoes to service_role;
grant select on public.whatsapp_sessions, public.whatsapp_contacts, public.whatsapp_contact_aliases, public.whatsapp_atendimentos,
  public.whatsapp_mensagens to authenticated;
grant update (status, atendente_id, nome_cliente, prioridade, tags, observacoes) on public.whatsapp_atendimentos to authenticated;
grant update (lida) on public.whatsapp_mensagens to authenticated;
grant select, insert, update, delete on public.whatsapp_configuracoes to authenticated;

-- A CRM's page follows these live, where Supabase's realtime is there.
do $$
declare tbl text;
begin
  if exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime' and not puballtables) then
    foreach tbl in array array['whatsapp_sessions', 'whatsapp_atendimentos', 'whatsapp_mensagens'] loop
      if not exists (select from pg_catalog.pg_publication_tables
                     where pubname = 'supabase_realtime' and schemaname = 'public' and tablename = tbl) then
        execute format('alter publication supabase_realtime add table public.%I', tbl);
      end if;
    end loop;
  end if;
end $$;
