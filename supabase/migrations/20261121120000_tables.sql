-- What Vigia keeps: connections, people, attendances, messages. Portuguese names are the product's own, shared with its CRMs.

create table public.whatsapp_sessions (
  id              uuid primary key,
  connection_id   text not null,
  session_name    text not null,
  owner_id        text not null,
  company_id      text,
  status          text not null default 'disconnected'
                  check (status in ('disconnected', 'connecting', 'connected', 'error')),
  reason          text,
  phone           text,
  jid             text,
  lid             text,
  qr_code         text,           -- what a QR code says, only while it may be scanned
  qr_expires_at   timestamptz,
  last_seen_at    timestamptz,    -- the session's last sign of life, as of the last news of it
  connected_at    timestamptz,
  disconnected_at timestamptz,
  version         bigint not null default 0,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now()
);
create index whatsapp_sessions_owner on public.whatsapp_sessions (owner_id, connection_id);
create index whatsapp_sessions_company on public.whatsapp_sessions (company_id) where company_id is not null;

-- A person as one session knows them. `age` decides which of two records of the same person stays.
create table public.whatsapp_contacts (
  id           uuid primary key default gen_random_uuid(),
  age          bigint generated always as identity,
  session_id   uuid not null references public.whatsapp_sessions (id) on delete cascade,
  owner_id     text not null,
  company_id   text,
  numero       text not null,
  numero_is_phone boolean not null,
  nome         text,
  created_at   timestamptz not null default now()
);
create index whatsapp_contacts_session on public.whatsapp_contacts (session_id);
create index whatsapp_contacts_owner on public.whatsapp_contacts (owner_id);
create index whatsapp_contacts_company on public.whatsapp_contacts (company_id) where company_id is not null;

-- Every form of address that WhatsApp itself has shown for a person: phone number, LID, Brazilian numbers with and without the ninth digit.
create table public.whatsapp_contact_aliases (
  session_id uuid not null references public.whatsapp_sessions (id) on delete cascade,
  alias      text not null,
  contact_id uuid not null references public.whatsapp_contacts (id) on delete cascade,
  owner_id   text not null,
  company_id text,
  primary key (session_id, alias)
);
create index whatsapp_contact_aliases_contact on public.whatsapp_contact_aliases (contact_id);
create index whatsapp_contact_aliases_owner on public.whatsapp_contact_aliases (owner_id);
create index whatsapp_contact_aliases_company on public.whatsapp_contact_aliases (company_id) where company_id is not null;

create table public.whatsapp_atendimentos (
  id              uuid primary key default gen_random_uuid(),
  session_id      uuid not null references public.whatsapp_sessions (id) on delete restrict,
  contact_id      uuid not null references public.whatsapp_contacts (id) on delete restrict,
  owner_id        text not null,
  company_id      text,
  numero_cliente  text not null,
  nome_cliente    text,
  status          text not null default 'AGUARDANDO'
                  check (status in ('AGUARDANDO', 'EM_ATENDIMENTO', 'FINALIZADO', 'CANCELADO')),
  data_inicio     timestamptz not null default now(),
  data_fim        timestamptz,
  ultima_mensagem timestamptz not null default now(),
  atendente_id    text,
  prioridade      integer not null default 0,
  tags            jsonb,
  observacoes     text,
  canal           text not null default 'WHATSAPP',
  merged_into     uuid references public.whatsapp_atendimentos (id) on delete set null,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now()
) with (fillfactor = 80);
create unique index whatsapp_atendimentos_one_open on public.whatsapp_atendimentos (session_id, contact_id)
  where status in ('AGUARDANDO', 'EM_ATENDIMENTO');
create index whatsapp_atendimentos_owner on public.whatsapp_atendimentos (owner_id, status);
create index whatsapp_atendimentos_company on public.whatsapp_atendimentos (company_id, status) where company_id is not null;
create index whatsapp_atendimentos_contact on public.whatsapp_atendimentos (contact_id);
create index whatsapp_atendimentos_merged on public.whatsapp_atendimentos (merged_into) where merged_into is not null;

-- `placeholder`: came empty or could not be decrypted, and a later event of the same id may fill it. `seq` orders what shares a second.
create table public.whatsapp_mensagens (
  id             uuid primary key,
  seq            bigint generated always as identity,
  session_id     uuid not null,  -- the atendimento's own; checked there, once
  atendimento_id uuid not null references public.whatsapp_atendimentos (id) on delete cascade,
  owner_id       text not null,
  company_id     text,
  conteudo       text not null default '',
  placeholder    boolean not null default false,
  tipo           text not null default 'TEXTO' check (tipo in ('TEXTO', 'IMAGEM', 'VIDEO', 'AUDIO', 'DOCUMENTO')),
  remetente      text not null check (remetente in ('CLIENTE', 'ATENDENTE', 'SISTEMA')),
  "timestamp"    timestamptz not null,
  lida           boolean not null default false,
  midia_url      text,
  midia_tipo     text,
  midia_nome     text,
  midia_tamanho  bigint,
  wa_message_id  text,
  chat           text,
  sender         text,
  status         text check (status in ('sending', 'unknown', 'sent', 'delivered', 'read', 'played', 'failed')),
  error          text,
  version        bigint not null default 0,
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now()
) with (fillfactor = 90);
create unique index whatsapp_mensagens_wa on public.whatsapp_mensagens (session_id, wa_message_id)
  where wa_message_id is not null;
create index whatsapp_mensagens_atendimento on public.whatsapp_mensagens (atendimento_id, "timestamp", seq);
create index whatsapp_mensagens_owner on public.whatsapp_mensagens (owner_id);
create index whatsapp_mensagens_company on public.whatsapp_mensagens (company_id) where company_id is not null;

-- Receipts that came before the message they speak of; joined when it appears, dropped after a week.
create table public.whatsapp_pending_receipts (
  session_id    uuid not null references public.whatsapp_sessions (id) on delete cascade,
  wa_message_id text not null,
  state         text not null check (state in ('delivered', 'read', 'played')),
  at            timestamptz not null,
  kept_at       timestamptz not null default now(),
  primary key (session_id, wa_message_id)
);
create index whatsapp_pending_receipts_kept on public.whatsapp_pending_receipts (kept_at);

-- Settings of the robot, by tenant.
create table public.whatsapp_configuracoes (
  owner_id   text not null,
  chave      text not null,
  company_id text,
  valor      jsonb not null,
  updated_at timestamptz not null default now(),
  primary key (owner_id, chave)
);
create index whatsapp_configuracoes_company on public.whatsapp_configuracoes (company_id) where company_id is not null;

-- Whoever closes or reopens an attendance, its end follows, and so does the time of the change.
create function public.vigia_atendimento_changed() returns trigger
language plpgsql security invoker set search_path = '' as $$
begin
  new.updated_at := now();
  if new.status in ('FINALIZADO', 'CANCELADO') then
    new.data_fim := coalesce(new.data_fim, now());
  else
    new.data_fim := null;
  end if;
  return new;
end $$;
create trigger whatsapp_atendimentos_changed before update of status on public.whatsapp_atendimentos
  for each row when (old.status is distinct from new.status) execute function public.vigia_atendimento_changed();
