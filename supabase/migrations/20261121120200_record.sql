-- The write side: facts come in, and the database decides what they mean. Facts may come twice, late, and out of order.

-- What becomes of a message's state when it is told another one. Evidence of delivery wins over everything; failure only over doubt.
create function public.vigia_delivery(known text, told text) returns text
language sql immutable security invoker set search_path = '' as $$
  select case
    when known is null or told is null then coalesce(told, known)
    when told = 'failed' then case when known in ('sending', 'unknown') then told else known end
    when known = 'failed' then case when told in ('delivered', 'read', 'played') then told else known end
    when array_position(array['sending', 'unknown', 'sent', 'delivered', 'read', 'played'], told)
       > array_position(array['sending', 'unknown', 'sent', 'delivered', 'read', 'played'], known) then told
    else known
  end
$$;

-- Two records turn out to be one person: everything moves to `keep`. Of two open attendances the one that somebody works on stays.
create function public.vigia_merge_contacts(keep uuid, lost uuid) returns void
language plpgsql security invoker set search_path = '' as $$
declare
  stays uuid;
  goes  uuid;
begin
  with open as (
    select id, row_number() over (order by status = 'EM_ATENDIMENTO' desc, data_inicio, id) as place
    from public.whatsapp_atendimentos
    where contact_id in (keep, lost) and status in ('AGUARDANDO', 'EM_ATENDIMENTO')
  )
  select (select id from open where place = 1), (select id from open where place = 2) into stays, goes;
  if goes is not null then
    update public.whatsapp_mensagens set atendimento_id = stays where atendimento_id = goes;
    update public.whatsapp_atendimentos set merged_into = stays where merged_into = goes;
    update public.whatsapp_atendimentos a
       set ultima_mensagem = greatest(a.ultima_mensagem, b.ultima_mensagem), data_inicio = least(a.data_inicio, b.data_inicio),
           nome_cliente = coalesce(a.nome_cliente, b.nome_cliente), updated_at = now()
      from public.whatsapp_atendimentos b where a.id = stays and b.id = goes;
    update public.whatsapp_atendimentos set status = 'CANCELADO', merged_into = stays where id = goes;
  end if;
  update public.whatsapp_atendimentos set contact_id = keep where contact_id = lost;
  update public.whatsapp_contact_aliases set contact_id = keep where contact_id = lost;
  update public.whatsapp_contacts k
     set numero = case when k.numero_is_phone then k.numero else l.numero end,
         numero_is_phone = k.numero_is_phone or l.numero_is_phone, nome = coalesce(k.nome, l.nome)
    from public.whatsapp_contacts l where k.id = keep and l.id = lost;
  delete from public.whatsapp_contacts where id = lost;
end $$;

-- Answers the one person behind these forms of address, learning forms, number and name on the way.
create function public.vigia_contact(connection jsonb, jids text[], name text) returns uuid
language plpgsql security invoker set search_path = '' as $$
declare
  session constant uuid := (connection ->> 'session')::uuid;
  owner   constant text := connection ->> 'owner_id';
  company constant text := connection ->> 'company_id';
  forms   text[];
  phone   text;
  found_ids uuid[];
  known_forms integer;
  who     public.whatsapp_contacts;
begin
  select array_agg(distinct j), min(split_part(j, '@', 1)) filter (where j like '%@s.whatsapp.net')
    into forms, phone from unnest(jids) j where j <> '';
  if forms is null then
    raise exception 'a message without a chat' using errcode = '22023';
  end if;
  select array_agg(distinct contact_id), count(*) into found_ids, known_forms
    from public.whatsapp_contact_aliases where session_id = session and alias = any (forms);

  if found_ids is null then
    insert into public.whatsapp_contacts (session_id, owner_id, company_id, numero, numero_is_phone, nome)
    values (session, owner, company, coalesce(phone, split_part(forms[1], '@', 1)), phone is not null, nullif(name, ''))
    returning * into who;
  else
    select * into who from public.whatsapp_contacts where id = any (found_ids) order by age limit 1;
    if cardinality(found_ids) > 1 then
      perform public.vigia_merge_contacts(who.id, lost.id)
         from (select id from public.whatsapp_contacts where id = any (found_ids) and id <> who.id order by age) lost;
      select * into who from public.whatsapp_contacts where id = who.id;
      update public.whatsapp_atendimentos set numero_cliente = who.numero where contact_id = who.id and numero_cliente <> who.numero;
    end if;
    if (phone is not null and not who.numero_is_phone) or (name <> '' and name is distinct from who.nome) then
      update public.whatsapp_contacts
         set numero = case when numero_is_phone then numero else coalesce(phone, numero) end,
             numero_is_phone = numero_is_phone or phone is not null, nome = coalesce(nullif(name, ''), nome)
       where id = who.id;
      -- A name that somebody wrote by hand stays.
      update public.whatsapp_atendimentos a
         set numero_cliente = c.numero, updated_at = now(),
             nome_cliente = case when a.nome_cliente is not distinct from who.nome then c.nome else a.nome_cliente end
        from public.whatsapp_contacts c
       where c.id = who.id and a.contact_id = who.id and a.status in ('AGUARDANDO', 'EM_ATENDIMENTO');
    end if;
  end if;

  if known_forms < cardinality(forms) then
    insert into public.whatsapp_contact_aliases (session_id, alias, contact_id, owner_id, company_id)
    select session, form, who.id, owner, company from unnest(forms) form
    on conflict (session_id, alias) do nothing;
  end if;
  return who.id;
end $$;

-- Answers the open attendance of the person behind these forms of address, opening it if there is none.
-- What an attendant begins needs no waiting. Most messages continue one, and bring nothing new of the person: those take one look.
create function public.vigia_open_atendimento(connection jsonb, jid text, alt text, name text, at timestamptz, remetente text) returns uuid
language plpgsql security invoker set search_path = '' as $$
declare
  session constant uuid := (connection ->> 'session')::uuid;
  contact uuid;
  opened  uuid;
begin
  select t.id into opened
    from public.whatsapp_atendimentos t
   where t.session_id = session and t.status in ('AGUARDANDO', 'EM_ATENDIMENTO')
     and t.contact_id = (
       select c.id from public.whatsapp_contacts c
        where c.id = (select a.contact_id from public.whatsapp_contact_aliases a where a.session_id = session and a.alias = jid)
          and (alt is null
               or c.id = (select b.contact_id from public.whatsapp_contact_aliases b where b.session_id = session and b.alias = alt))
          and (c.numero_is_phone or not (jid like '%@s.whatsapp.net' or coalesce(alt, '') like '%@s.whatsapp.net'))
          and (coalesce(name, '') = '' or name = c.nome));
  if opened is not null then
    return opened;
  end if;
  contact := public.vigia_contact(connection, array[jid, alt], name);
  insert into public.whatsapp_atendimentos as a
         (session_id, contact_id, owner_id, company_id, numero_cliente, nome_cliente, status, data_inicio, ultima_mensagem)
  select c.session_id, c.id, c.owner_id, c.company_id, c.numero, c.nome,
         case when remetente = 'ATENDENTE' then 'EM_ATENDIMENTO' else 'AGUARDANDO' end, at, at
    from public.whatsapp_contacts c where c.id = contact
  on conflict (session_id, contact_id) where status in ('AGUARDANDO', 'EM_ATENDIMENTO')
  do update set ultima_mensagem = greatest(a.ultima_mensagem, excluded.ultima_mensagem)
  returning a.id into opened;
  return opened;
end $$;

-- A message and the receipts that came before it find each other.
create function public.vigia_join_receipt(session uuid, wa_id text) returns void
language plpgsql security invoker set search_path = '' as $$
declare
  told text;
begin
  delete from public.whatsapp_pending_receipts p where p.session_id = session and p.wa_message_id = wa_id returning p.state into told;
  if told is null then
    return;
  end if;
  update public.whatsapp_mensagens m
     set status = case when m.remetente = 'CLIENTE' then m.status else public.vigia_delivery(m.status, told) end,
         lida = m.lida or told in ('read', 'played'), updated_at = now()
   where m.session_id = session and m.wa_message_id = wa_id;
end $$;

create function public.vigia_record_connection(fact jsonb) returns void
language sql security invoker set search_path = '' as $$
  update public.whatsapp_sessions s
     set connection_id = fact #>> '{connection,connection_id}', session_name = fact #>> '{connection,name}',
         owner_id = fact #>> '{connection,owner_id}', company_id = fact #>> '{connection,company_id}',
         status = fact ->> 'status', reason = fact ->> 'reason',
         phone = fact ->> 'phone', jid = fact ->> 'jid', lid = fact ->> 'lid',
         qr_code = fact ->> 'qr_code', qr_expires_at = to_timestamp((fact ->> 'qr_expires_at_ms')::float8 / 1000),
         last_seen_at = coalesce(to_timestamp((fact ->> 'seen_at_ms')::float8 / 1000), s.last_seen_at),
         connected_at = case when fact ->> 'status' = 'connected' and s.status <> 'connected'
                             then to_timestamp((fact ->> 'at_ms')::float8 / 1000) else s.connected_at end,
         disconnected_at = case when fact ->> 'status' <> 'connected' and s.status = 'connected'
                                then to_timestamp((fact ->> 'at_ms')::float8 / 1000) else s.disconnected_at end,
         version = (fact ->> 'version')::bigint, updated_at = now()
   where s.id = (fact #>> '{connection,session}')::uuid and s.version < (fact ->> 'version')::bigint
$$;

-- A message that WhatsApp showed: one that came in, or one typed on the account's own phone. `receipts_wait`: some may wait for it.
create function public.vigia_record_message(fact jsonb, receipts_wait boolean, out message_id uuid, out atendimento_id uuid)
language plpgsql security invoker set search_path = '' as $$
#variable_conflict use_column
declare
  connection constant jsonb := fact -> 'connection';
  message    constant jsonb := fact -> 'message';
  session    constant uuid := (connection ->> 'session')::uuid;
  from_me    constant boolean := (message ->> 'from_me')::boolean;
  at         constant timestamptz := to_timestamp((message ->> 'at_ms')::float8 / 1000);
  known      record;
begin
  select m.id, m.atendimento_id, m.placeholder, m.status into known
    from public.whatsapp_mensagens m where m.session_id = session and m.wa_message_id = message ->> 'wa_message_id';
  if found then
    message_id := known.id;
    atendimento_id := known.atendimento_id;
    if (known.placeholder and message ->> 'text' is not null) or known.status in ('sending', 'unknown') then
      update public.whatsapp_mensagens m
         set conteudo = case when m.placeholder then coalesce(message ->> 'text', '') else m.conteudo end,
             placeholder = m.placeholder and message ->> 'text' is null,
             status = case when from_me then public.vigia_delivery(m.status, 'sent') else m.status end,
             version = greatest(m.version, (fact ->> 'version')::bigint), updated_at = now()
       where m.id = known.id;
    end if;
    return;
  end if;
  message_id := (message ->> 'message_id')::uuid;
  atendimento_id := public.vigia_open_atendimento(
    connection, message ->> 'chat', coalesce(message ->> 'chat_alt', case when not from_me then message ->> 'sender_alt' end),
    case when not from_me then message ->> 'push_name' end, at, message ->> 'remetente');
  insert into public.whatsapp_mensagens
         (id, session_id, atendimento_id, owner_id, company_id, conteudo, placeholder, tipo, remetente, "timestamp",
          wa_message_id, chat, sender, status, version)
  values (message_id, session, atendimento_id, connection ->> 'owner_id', connection ->> 'company_id',
          coalesce(message ->> 'text', ''), message ->> 'text' is null, message ->> 'tipo', message ->> 'remetente', at,
          message ->> 'wa_message_id', message ->> 'chat', message ->> 'sender', case when from_me then 'sent' end,
          (fact ->> 'version')::bigint);
  if receipts_wait then
    perform public.vigia_join_receipt(session, message ->> 'wa_message_id');
  end if;
end $$;

-- A send that is about to be asked of the engine.
create function public.vigia_record_sending(fact jsonb, out message_id uuid, out atendimento_id uuid)
language plpgsql security invoker set search_path = '' as $$
#variable_conflict use_column
declare
  connection constant jsonb := fact -> 'connection';
  message    constant jsonb := fact -> 'message';
  at         constant timestamptz := to_timestamp((message ->> 'at_ms')::float8 / 1000);
begin
  select m.id, m.atendimento_id into message_id, atendimento_id
    from public.whatsapp_mensagens m where m.id = (message ->> 'message_id')::uuid;
  if found then
    return;
  end if;
  message_id := (message ->> 'message_id')::uuid;
  atendimento_id := public.vigia_open_atendimento(connection, message ->> 'to', null, null, at, message ->> 'remetente');
  insert into public.whatsapp_mensagens
         (id, session_id, atendimento_id, owner_id, company_id, conteudo, tipo, remetente, "timestamp", chat, status, version)
  values (message_id, (connection ->> 'session')::uuid, atendimento_id, connection ->> 'owner_id', connection ->> 'company_id',
          message ->> 'text', message ->> 'tipo', message ->> 'remetente', at, message ->> 'to', 'sending', (fact ->> 'version')::bigint);
end $$;

-- How a send ended. WhatsApp's name for it may be known already, from its own echo: then the echo's row gives way.
create function public.vigia_record_outcome(fact jsonb, out message_id uuid, out atendimento_id uuid)
language plpgsql security invoker set search_path = '' as $$
#variable_conflict use_column
declare
  told    constant text := fact ->> 'status';
  known   public.whatsapp_mensagens;
  named   text;
  echo    text;
  becomes text;
begin
  message_id := (fact ->> 'message_id')::uuid;
  select * into known from public.whatsapp_mensagens m where m.id = message_id for update;
  if not found then
    return;
  end if;
  atendimento_id := known.atendimento_id;
  named := coalesce(known.wa_message_id, fact ->> 'wa_message_id');
  if known.wa_message_id is null and named is not null then
    delete from public.whatsapp_mensagens m
     where m.session_id = known.session_id and m.wa_message_id = named and m.id <> known.id and m.remetente <> 'CLIENTE'
    returning m.status into echo;
  end if;
  becomes := public.vigia_delivery(public.vigia_delivery(known.status, told), echo);
  update public.whatsapp_mensagens m
     set status = becomes, wa_message_id = named,
         "timestamp" = case when told = 'sent' and known.status in ('sending', 'unknown')
                            then coalesce(to_timestamp((fact ->> 'at_ms')::float8 / 1000), m."timestamp") else m."timestamp" end,
         error = case when becomes in ('failed', 'unknown') then coalesce(case when becomes = told then fact ->> 'error' end, m.error) end,
         version = greatest(m.version, (fact ->> 'version')::bigint), updated_at = now()
   where m.id = known.id
     and (becomes, named) is distinct from (known.status, known.wa_message_id);
  if known.wa_message_id is null and named is not null then
    perform public.vigia_join_receipt(known.session_id, named);
  end if;
end $$;

-- What became of messages: each is moved on, or the receipt waits for it.
create function public.vigia_record_receipt(fact jsonb) returns void
language plpgsql security invoker set search_path = '' as $$
declare
  session constant uuid := (fact #>> '{connection,session}')::uuid;
  told    constant text := fact ->> 'state';
  at      constant timestamptz := to_timestamp((fact ->> 'at_ms')::float8 / 1000);
  waits   boolean := false;
  wa_id   text;
begin
  -- One by one: joined to the list of names, every message of the session would be walked over.
  for wa_id in select distinct name from jsonb_array_elements_text(fact -> 'ids') name loop
    update public.whatsapp_mensagens m
       set status = case when m.remetente = 'CLIENTE' then m.status else public.vigia_delivery(m.status, told) end,
           error = case when m.remetente = 'CLIENTE' then m.error end,
           lida = m.lida or told in ('read', 'played'),
           version = greatest(m.version, (fact ->> 'version')::bigint), updated_at = now()
     where m.session_id = session and m.wa_message_id = wa_id
       and ((m.remetente <> 'CLIENTE' and public.vigia_delivery(m.status, told) is distinct from m.status)
            or (not m.lida and told in ('read', 'played')));
    if found or exists (select from public.whatsapp_mensagens m where m.session_id = session and m.wa_message_id = wa_id) then
      continue;
    end if;
    waits := true;
    insert into public.whatsapp_pending_receipts as p (session_id, wa_message_id, state, at) values (session, wa_id, told, at)
    on conflict (session_id, wa_message_id) do update
       set state = public.vigia_delivery(p.state, excluded.state), at = greatest(p.at, excluded.at), kept_at = now();
  end loop;
  if waits then
    delete from public.whatsapp_pending_receipts where kept_at < now() - interval '7 days';
  end if;
end $$;

-- Messages that came one after another, many of them: taken apart together, inserted together, in their order. Most continue an attendance
-- and bring nothing new of the person, by the same rule as in `vigia_open_atendimento`. For the others it is asked, one by one, and for
-- what follows them in their session, which may be about the same person. What is known already, or comes twice, is looked at in the end.
create function public.vigia_record_messages(facts jsonb[], receipts_wait boolean)
returns table (op text, message_id uuid, atendimento_id uuid)
language plpgsql security invoker set search_path = '' as $$
#variable_conflict use_column
declare
  ids    uuid[];     -- each message's id, and
  opened uuid[];     -- its attendance, by place in `facts`; null while that is not known
  asked  boolean[];  -- whose attendance has to be asked for
  again  boolean[];  -- what is known, or comes twice
  one    record;
  known  record;
begin
  with given as (
    select place, (fact #>> '{connection,session}')::uuid as session, m ->> 'wa_message_id' as wa_id, m ->> 'chat' as jid,
           coalesce(m ->> 'chat_alt', case when not mine then m ->> 'sender_alt' end) as alt, case when not mine then m ->> 'push_name' end as name
      from unnest(facts) with ordinality as each (fact, place),
           lateral (select fact -> 'message' as m, (fact #>> '{message,from_me}')::boolean as mine) told
  ), seen as (
    select g.*, m.id as known, m.id is not null or row_number() over (partition by g.session, g.wa_id order by g.place) > 1 as again
      from given g left join public.whatsapp_mensagens m on m.session_id = g.session and m.wa_message_id = g.wa_id
  ), looked as (
    select s.place, s.session, s.again, t.id
      from seen s
      left join public.whatsapp_contact_aliases a on not s.again and a.session_id = s.session and a.alias = s.jid
      left join public.whatsapp_contact_aliases b on s.alt is not null and b.session_id = s.session and b.alias = s.alt
      left join public.whatsapp_contacts c
             on c.id = a.contact_id and (s.alt is null or b.contact_id = c.id) and (coalesce(s.name, '') = '' or s.name = c.nome)
            and (c.numero_is_phone or not (s.jid like '%@s.whatsapp.net' or coalesce(s.alt, '') like '%@s.whatsapp.net'))
      left join public.whatsapp_atendimentos t
             on t.session_id = s.session and t.contact_id = c.id and t.status in ('AGUARDANDO', 'EM_ATENDIMENTO')
  ), judged as (
    select *, place >= min(place) filter (where not again and id is null) over (partition by session) as unclear from looked
  )
  select array_agg(id order by place), array_agg(not again and coalesce(unclear, false) order by place), array_agg(again order by place)
    into opened, asked, again from judged;

  if true = any (asked) then
    for one in select place, fact, fact -> 'message' as m
                 from unnest(facts, asked) with ordinality as each (fact, asked, place) where asked order by place loop
      opened[one.place] := public.vigia_open_atendimento(
        one.fact -> 'connection', one.m ->> 'chat',
        coalesce(one.m ->> 'chat_alt', case when not (one.m ->> 'from_me')::boolean then one.m ->> 'sender_alt' end),
        case when not (one.m ->> 'from_me')::boolean then one.m ->> 'push_name' end,
        to_timestamp((one.m ->> 'at_ms')::float8 / 1000), one.m ->> 'remetente');
    end loop;
    -- Two of them may have turned out to be one person's.
    select array_agg(coalesce(t.merged_into, o.id) order by place) into opened
      from unnest(opened) with ordinality as o (id, place) left join public.whatsapp_atendimentos t on t.id = o.id;
  end if;

  insert into public.whatsapp_mensagens
         (id, session_id, atendimento_id, owner_id, company_id, conteudo, placeholder, tipo, remetente, "timestamp",
          wa_message_id, chat, sender, status, version)
  select (m ->> 'message_id')::uuid, (c ->> 'session')::uuid, opened, c ->> 'owner_id', c ->> 'company_id',
         coalesce(m ->> 'text', ''), m ->> 'text' is null, m ->> 'tipo', m ->> 'remetente', to_timestamp((m ->> 'at_ms')::float8 / 1000),
         m ->> 'wa_message_id', m ->> 'chat', m ->> 'sender', case when (m ->> 'from_me')::boolean then 'sent' end, (fact ->> 'version')::bigint
    from unnest(facts, opened, again) with ordinality as each (fact, opened, again, place),
         lateral (select fact -> 'message' as m, fact -> 'connection' as c) told
   where not again order by place;
  if receipts_wait then
    perform public.vigia_join_receipt(p.session_id, p.wa_message_id)
       from unnest(facts) fact join public.whatsapp_pending_receipts p
         on p.session_id = (fact #>> '{connection,session}')::uuid and p.wa_message_id = fact #>> '{message,wa_message_id}';
  end if;

  select array_agg((fact #>> '{message,message_id}')::uuid order by place) into ids from unnest(facts) with ordinality as each (fact, place);
  if true = any (again) then
    for one in select place, fact from unnest(facts, again) with ordinality as each (fact, again, place) where again order by place loop
      select * into known from public.vigia_record_message(one.fact, receipts_wait);
      ids[one.place] := known.message_id;
      opened[one.place] := known.atendimento_id;
    end loop;
  end if;
  return query select fact ->> 'op', id, t from unnest(facts, ids, opened) with ordinality as each (fact, id, t, place) order by place;
end $$;

-- The door: a batch of facts, in order, in one transaction. Told again, it changes nothing. Facts of one session never run beside each other.
-- Every look here is for one row by its index. Plans made while the tables were empty would say otherwise for as long as a connection lives.
create function public.vigia_record(facts jsonb[]) returns table (op text, message_id uuid, atendimento_id uuid)
language plpgsql security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  together constant integer := 8;  -- from so many messages in a row on it is quicker to take them together
  run      record;
  fact     jsonb;
  session  uuid;
  sessions uuid[] := array(select distinct (f #>> '{connection,session}')::uuid as id from unnest(facts) f order by id);
  messages uuid[] := '{}';
  receipts_wait boolean;
begin
  foreach session in array sessions loop
    perform pg_advisory_xact_lock(hashtextextended(session::text, 0));
  end loop;
  receipts_wait := exists (select from public.whatsapp_pending_receipts p where p.session_id = any (sessions));
  insert into public.whatsapp_sessions (id, connection_id, session_name, owner_id, company_id)
  select distinct on (c ->> 'session') (c ->> 'session')::uuid, c ->> 'connection_id', c ->> 'name', c ->> 'owner_id', c ->> 'company_id'
    from unnest(facts) f, lateral (select f -> 'connection' as c) named
  on conflict (id) do nothing;
  for run in
    select kind, array_agg(fact order by place) as facts
      from (select fact, fact ->> 'kind' as kind, place, place - row_number() over (partition by fact ->> 'kind' order by place) as island
              from unnest(facts) with ordinality as each (fact, place)) told
     group by kind, island order by min(place)
  loop
    if run.kind = 'message' and cardinality(run.facts) >= together then
      for op, message_id, atendimento_id in select * from public.vigia_record_messages(run.facts, receipts_wait) loop
        messages := messages || message_id;
        return next;
      end loop;
      continue;
    end if;
    foreach fact in array run.facts loop
      op := fact ->> 'op';
      message_id := null;
      atendimento_id := null;
      case run.kind
        when 'message' then
          select r.message_id, r.atendimento_id into message_id, atendimento_id
            from public.vigia_record_message(fact, receipts_wait) r;
          messages := messages || message_id;
        when 'sending' then
          select r.message_id, r.atendimento_id into message_id, atendimento_id from public.vigia_record_sending(fact) r;
          messages := messages || message_id;
        when 'outcome' then
          select r.message_id, r.atendimento_id into message_id, atendimento_id from public.vigia_record_outcome(fact) r;
        when 'receipt' then
          perform public.vigia_record_receipt(fact);
          receipts_wait := true;
        when 'connection' then perform public.vigia_record_connection(fact);
        else raise exception 'a fact of an unknown kind' using errcode = '22023';
      end case;
      return next;
    end loop;
  end loop;
  -- Once a batch, not once a message: every version of the row that this transaction makes would be walked over by the next one.
  update public.whatsapp_atendimentos t set ultima_mensagem = latest.at
    from (select m.atendimento_id as id, max(m."timestamp") as at from public.whatsapp_mensagens m
           where m.id = any (messages) group by m.atendimento_id) latest
   where t.id = latest.id and t.ultima_mensagem < latest.at;
end $$;
