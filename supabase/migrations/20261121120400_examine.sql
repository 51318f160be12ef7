-- How a service finds out whether everything is here for it, and whether it may use it. Neither function leaves anything behind.

-- `wanted`: names of functions, with commas between. Answers which functions and tables are missing, and which rights are, in words
-- that `grant` understands; and the database's clock in unix seconds.
create function public.vigia_examine(wanted text) returns jsonb
language sql stable security invoker set search_path = '' as $$
  with tables as (
    select name, to_regclass('public.' || name) as found
      from unnest(array['whatsapp_sessions', 'whatsapp_contacts', 'whatsapp_contact_aliases', 'whatsapp_atendimentos',
                        'whatsapp_mensagens', 'whatsapp_pending_receipts', 'whatsapp_configuracoes']) as name
  ), functions as (
    select name, p.oid
      from unnest(string_to_array(wanted, ',')) as name
      left join pg_catalog.pg_proc p on p.proname = name and p.pronamespace = 'public'::regnamespace
  ), lacking as (
    select verb || ' on table public.' || name as what
      from tables cross join unnest(array['select', 'insert', 'update', 'delete']) as verb
     where found is not null and not has_table_privilege(found, verb)
    union all
    select 'execute on function public.' || name from functions where oid is not null and not has_function_privilege(oid, 'execute')
  )
  select jsonb_build_object(
    'user', current_user,
    'clock', extract(epoch from clock_timestamp()),
    'missing', coalesce((select jsonb_agg(name order by name) from (
      select name from functions where oid is null union all select name from tables where found is null) absent), '[]'),
    'lacking', coalesce((select jsonb_agg(what order by what) from lacking), '[]'))
$$;

-- Records a connection and a message as the service does, reads the message, deletes both, and undoes all of it.
create function public.vigia_probe() returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  probe constant uuid := gen_random_uuid();
  seen  integer;
  gone  integer;
begin
  begin
    perform from public.vigia_record(array[jsonb_build_object(
      'kind', 'message', 'op', 'probe', 'version', 1,
      'connection', jsonb_build_object('session', probe, 'connection_id', 'probe', 'name', 'probe', 'owner_id', 'probe'),
      'message', jsonb_build_object(
        'message_id', probe, 'wa_message_id', 'probe', 'chat', '1@s.whatsapp.net', 'sender', '1@s.whatsapp.net',
        'from_me', false, 'at_ms', 1, 'text', 'probe', 'tipo', 'TEXTO', 'remetente', 'CLIENTE'))]);
    select count(*) into seen from public.whatsapp_mensagens m where m.session_id = probe and m.conteudo = 'probe';
    delete from public.whatsapp_mensagens m where m.session_id = probe;
    get diagnostics gone = row_count;
    raise exception 'undone' using errcode = 'VG001';
  exception
    when sqlstate 'VG001' then null;
  end;
  return jsonb_build_object('seen', seen, 'gone', gone);
end $$;

revoke all on function public.vigia_examine(text), public.vigia_probe() from public, anon, authenticated;
grant execute on function public.vigia_examine(text), public.vigia_probe() to service_role;
