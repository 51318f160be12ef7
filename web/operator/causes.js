/**
 * What is wrong, in Portuguese: the API says it in English. {} stands for a value, in the same order on both sides.
 * A sentence that is not here is shown as the API says it. scripts/document writes the table: it is connector/portuguese.py's.
 */

const causes = {
  "The embedded PostgreSQL starts.": "O PostgreSQL embutido está iniciando.",
  "The embedded PostgreSQL does not run: the end of {} in the data folder says why.": "O PostgreSQL embutido não roda: o fim de {} na pasta de dados diz por quê.",
  "The database cannot be reached ({}).": "O banco de dados não pode ser alcançado ({}).",
  "The connection to the database ended ({}).": "A conexão com o banco de dados caiu ({}).",
  "The database answered {} ({}).": "O banco de dados respondeu {} ({}).",
  "The database refuses this password or user: correct the connection string.": "O banco de dados recusa este usuário ou senha: corrija a string de conexão.",
  "There is no database of that name: create it, or correct the connection string.": "Não há banco de dados com esse nome: crie-o ou corrija a string de conexão.",
  "A pooler before the database mixes connections up: add ?pgbouncer=true to the connection string.": "Um pooler na frente do banco mistura as conexões: acrescente ?pgbouncer=true à string de conexão.",
  "The database's disk is full: give it space.": "O disco do banco de dados está cheio: dê espaço a ele.",
  "The database's disk is full ({}): give it space.": "O disco do banco de dados está cheio ({}): dê espaço a ele.",
  "The database lets no more connections in: allow more, or use its pooler.": "O banco de dados não aceita mais conexões: permita mais, ou use o pooler dele.",
  "The database lets no more connections in ({}): allow more, or use its pooler.": "O banco de dados não aceita mais conexões ({}): permita mais, ou use o pooler dele.",
  "The name of the database's host is not known: correct the connection string, or look at this machine's DNS.": "O nome do servidor do banco não é conhecido: corrija a string de conexão, ou veja o DNS desta máquina.",
  "No network leads to the database's address: where it needs IPv6, as Supabase's direct one does, use the session pooler's.": "Nenhuma rede leva ao endereço do banco: se ele exige IPv6, como o endereço direto do Supabase, use o do session pooler.",
  "The pooler knows no such project or user: correct the connection string, or resume the project if it is paused.": "O pooler não conhece esse projeto ou usuário: corrija a string de conexão, ou retome o projeto se estiver pausado.",
  "The project's network restrictions keep this machine out: allow its address.": "As restrições de rede do projeto barram esta máquina: permita o endereço dela.",
  "{} So it did to the last {}: look for triggers, constraints or columns of your own on Vigia's tables.": "{} Assim foi com as últimas {}: procure triggers, restrições ou colunas suas nas tabelas do Vigia.",
  "The database refused it: {} ({}).": "O banco de dados recusou a linha: {} ({}).",
  "A value is not what the database's function takes.": "Um valor não é o que a função do banco de dados aceita.",
  "The database takes no writes: give it disk space, or switch read-only off.": "O banco de dados não aceita gravações: dê espaço em disco a ele ou desligue o modo somente leitura.",
  "The database user lacks a right: connect as the user that ran `vigia migrate`.": "Falta um direito ao usuário do banco: conecte com o usuário que rodou `vigia migrate`.",
  "The database's tables are not this Vigia's: run `vigia migrate`.": "As tabelas do banco não são deste Vigia: rode `vigia migrate`.",
  "The database's tables are of an older Vigia: run `vigia migrate`.": "As tabelas do banco são de um Vigia mais antigo: rode `vigia migrate`.",
  "The database's tables are of a newer Vigia ({}, this one knows {}): upgrade Vigia.": "As tabelas do banco são de um Vigia mais novo ({}; este conhece {}): atualize o Vigia.",
  "The database's answers are cut short: set Max rows in the Supabase project's Data API settings to 1000.": "As respostas do banco vêm cortadas: ponha Max rows em 1000 nas configurações da Data API do projeto no Supabase.",
  "The database and this machine do not agree on TLS: look at sslmode and certificates in the connection string.": "O banco de dados e esta máquina não se entendem em TLS: veja sslmode e os certificados na string de conexão.",
  "The connection string is not an address of a PostgreSQL database.": "A string de conexão não é o endereço de um banco PostgreSQL.",
  "Supabase cannot be reached ({}).": "O Supabase não pode ser alcançado ({}).",
  "Supabase cannot reach its database ({}).": "O Supabase não alcança o banco dele ({}).",
  "Supabase is busy ({}).": "O Supabase está ocupado ({}).",
  "Supabase has a fault of its own ({}).": "O Supabase está com uma falha dele ({}).",
  "Supabase refuses the key ({}): {}.": "O Supabase recusa a chave ({}): copie de novo a secret key (sb_secret_...) ou a service_role deste mesmo projeto, da página API keys, para SUPABASE_SECRET_KEY.",
  "Supabase's API knows no tables of this Vigia ({}): {}.": "A API do Supabase não conhece as tabelas deste Vigia ({}): rode `vigia migrate`, que diz como; se isso acabou de ser feito, rode NOTIFY pgrst, 'reload schema' no SQL editor.",
  "Supabase's service_role lacks a right on Vigia's tables or functions, or the key is a weaker one ({}): {}.": "Falta à service_role do Supabase um direito nas tabelas ou funções do Vigia, ou a chave é mais fraca ({}): rode de novo no SQL editor os grants de `vigia migrate --print`.",
  "The schema public is not exposed ({}): {}.": "O schema public não está exposto ({}): inclua-o nas configurações da Data API do projeto.",
  "The Supabase project is paused ({}): {}.": "O projeto no Supabase está pausado ({}): retome-o no painel do Supabase.",
  "The database takes no writes ({}): {}.": "O banco de dados não aceita gravações ({}): dê espaço em disco ao projeto e depois desligue o modo somente leitura nas configurações do banco.",
  "The Supabase project is restricted for its usage or an unpaid bill ({}): {}.": "O projeto no Supabase está restrito por uso ou por conta não paga ({}): veja a página de cobrança dele.",
  "SUPABASE_URL is not the address of this Supabase project: {}.": "SUPABASE_URL não é o endereço deste projeto no Supabase: copie a Project URL das configurações da Data API.",
  "SUPABASE_URL is not the address of this Supabase project ({}): {}.": "SUPABASE_URL não é o endereço deste projeto no Supabase ({}): copie a Project URL das configurações da Data API.",
  "What answers under SUPABASE_URL is not Supabase ({}): {}.": "Quem responde em SUPABASE_URL não é o Supabase ({}): há um proxy ou uma página de login no caminho, ou o endereço está errado.",
  "A proxy on the way to Supabase wants a password and a user: {}.": "Um proxy no caminho até o Supabase pede usuário e senha: corrija HTTPS_PROXY.",
  "A proxy on the way to Supabase wants a password and a user ({}): {}.": "Um proxy no caminho até o Supabase pede usuário e senha ({}): corrija HTTPS_PROXY.",
  "Somebody on the way to Supabase refuses what is sent ({}): {}.": "Alguém no caminho até o Supabase recusa o que é enviado ({}): veja os firewalls e proxies entre esta máquina e ele.",
  "The name in SUPABASE_URL is not known: {}.": "O nome em SUPABASE_URL não é conhecido: corrija-o, veja se o projeto ainda existe, e o DNS desta máquina.",
  "Supabase answered what this Vigia does not know ({}): {}.": "O Supabase respondeu algo que este Vigia não conhece ({}): procure um Vigia mais novo.",
  "The certificate under SUPABASE_URL is not trusted: {}.": "O certificado em SUPABASE_URL não é confiável: corrija o endereço, ou indique em SSL_CERT_FILE a autoridade da sua empresa.",
  "Supabase takes no request of this size ({}).": "O Supabase não aceita uma requisição deste tamanho ({}).",
  "Supabase cannot read what it was told ({}).": "O Supabase não consegue ler o que lhe foi dito ({}).",
  "The webhook's receiver has no time ({}).": "O receptor do webhook está sem tempo agora ({}).",
  "The webhook's receiver failed ({}).": "O receptor do webhook falhou ({}).",
  "The webhook's receiver cannot be reached.": "O receptor do webhook não pode ser alcançado.",
  "The webhook's receiver did not answer in time.": "O receptor do webhook não respondeu a tempo.",
  "The webhook's receiver broke off ({}).": "O receptor do webhook interrompeu a conexão ({}).",
  "The webhook's receiver does not let us in: check WEBHOOK_SECRET on both sides, and the address in {} ({}).": "O receptor do webhook não nos deixa entrar: confira WEBHOOK_SECRET dos dois lados e o endereço em {} ({}).",
  "The webhook's receiver refuses us: check WEBHOOK_SECRET on both sides, and what stands between it and this service ({}).": "O receptor do webhook nos recusa: confira WEBHOOK_SECRET dos dois lados e o que há entre ele e este serviço ({}).",
  "The webhook's receiver knows nothing at this path: correct {} ({}).": "O receptor do webhook não tem nada neste caminho: corrija {} ({}).",
  "The webhook's receiver takes no POST at this path: correct {} ({}).": "O receptor do webhook não aceita POST neste caminho: corrija {} ({}).",
  "The webhook's receiver stands behind a proxy that wants a login: correct {} ({}).": "O receptor do webhook está atrás de um proxy que pede login: corrija {} ({}).",
  "The webhook's receiver is gone: correct {}, or unset it ({}).": "O receptor do webhook não existe mais: corrija {}, ou apague essa configuração ({}).",
  "The webhook's receiver answers with a redirect, which is not followed: set {} to the final address ({}).": "O receptor do webhook redireciona, e isso não é seguido: ponha em {} o endereço final ({}).",
  "The webhook's receiver refuses this event ({}). So it did to the last {}: check WEBHOOK_SECRET on both sides.": "O receptor do webhook recusa este evento ({}), como recusou os últimos {}: confira WEBHOOK_SECRET dos dois lados.",
  "{} leads to an internal address: use a public one, or set WEBHOOK_ALLOW_INTERNAL=true if the receiver is your own.": "{} leva a um endereço interno: use um público, ou defina WEBHOOK_ALLOW_INTERNAL=true se o receptor é seu.",
  "The webhook receiver's certificate is not trusted: have it mended.": "O certificado do receptor do webhook não é confiável: peça que o corrijam.",
  "{} cannot be asked: correct it.": "{} não pode ser chamado: corrija-o.",
  "No answer within {} s.": "Sem resposta em {} s.",
  "A fault of the service: {}.": "Uma falha do serviço: {}.",
  "The spool cannot grow: the disk, a quota or a size limit is full. Free some space.": "A fila em disco não pode crescer: o disco, uma cota ou um limite de tamanho está cheio. Libere espaço.",
  "The spool's file is damaged or no spool at all ({}).": "O arquivo da fila em disco está danificado ou não é uma fila ({}).",
  "The spool: {}.": "A fila em disco: {}.",
  "Done, but its keeper failed: {}.": "Feito, mas quem devia guardar isso falhou: {}.",
  "{} while moving.": "Uma falha do serviço ao mover eventos: {}.",
  "An engine worker crashed too often and was stopped.": "Um processo do motor caiu vezes demais e foi parado: veja o log e depois use Reiniciar em uma das conexões dele.",
  "asked for over the API": "Pedido pela API.",
  "{} dead letters were older than {} days": "{} linhas recusadas tinham mais de {} dias.",
  "{} rows that waited for it, though it is not set any more, were older than {} days": "{} linhas que esperavam por ela, embora não esteja mais configurada, tinham mais de {} dias.",
  "{} dead letters": "{} linhas recusadas.",
  "it runs": "Ela anda.",
  "Session {} has been {} for {} s, and its try hangs.": "A conexão {} está em {} há {} s, e a tentativa não anda.",
  "Session {} has counted as connected for {} s, and no worker tells of it.": "A conexão {} consta como conectada há {} s, e nenhum processo dá notícia dela.",
  "Session {} has been {} for {} s with no next try planned.": "A conexão {} está em {} há {} s sem nova tentativa marcada.",
  "Session {} counts as connected and has been silent for {} s.": "A conexão {} consta como conectada e está muda há {} s.",
  "The pairing of session {} has been {} for {} s.": "O pareamento da conexão {} está em {} há {} s.",
  "Session {} ends every worker it is open in, and was isolated.": "A conexão {} derruba todo processo em que é aberta, e foi isolada.",
  "WhatsApp no longer accepts this version of the engine ({} sessions so far): update Vigia.": "O WhatsApp não aceita mais esta versão do motor ({} conexões até agora): atualize o Vigia.",
  "The phone of session {} has not been seen for {} days: open WhatsApp on it, or it is unlinked at 14.": "O celular da conexão {} não aparece há {} dias: abra o WhatsApp nele, ou ela é desvinculada aos 14.",
  "The phone of session {} has not been seen for {} days: open WhatsApp on it now, it may be unlinked.": "O celular da conexão {} não aparece há {} dias: abra já o WhatsApp nele, ela pode ser desvinculada a qualquer momento.",
  "Worker {} has {} for a minute, and was not replaced.": "O processo {} está com {} há um minuto e não foi trocado.",
  "Worker {} crashed too often and was stopped, with {} sessions.": "O processo {} caiu vezes demais e foi parado, com {} conexões.",
  "The sink {} is parked, {} rows wait: {}": "A fila {} parou, e {} linhas esperam: {}",
  "The sink {} waits, and the database answers.": "A fila {} espera, e o banco de dados responde.",
  "The sink {} runs, and has delivered none of its {} rows for a minute.": "A fila {} anda, e há um minuto não entrega nenhuma das suas {} linhas.",
  "The oldest of {} rows for {} has waited for {} h.": "A mais antiga de {} linhas para {} espera há {} h.",
  "{} MB wait on disk for what is away.": "{} MB esperam em disco pelo que está fora.",
  "The database took {} s to answer.": "O banco de dados levou {} s para responder.",
  "The embedded database has not answered for {} s.": "O banco de dados embutido não responde há {} s.",
  "The database has not answered for {} s.": "O banco de dados não responde há {} s.",
  "The disk has {} MB left: under {} MB sessions disconnect.": "Restam {} MB no disco: abaixo de {} MB as conexões são desligadas. Libere espaço.",
  "The system's clock was moved by {} s.": "O relógio do sistema foi movido em {} s.",
  "Connection {} was never paired in {} days.": "A conexão {} nunca foi vinculada em {} dias.",
  "Session {} belongs to no connection, and nobody paired it in {} days.": "A sessão {} não é de nenhuma conexão, e ninguém a vinculou em {} dias.",
  "Connection {} was never paired in {} days: pair it, or remove it.": "A conexão {} nunca foi vinculada em {} dias: vincule-a ou exclua-a.",
  "Connection {} has no session any more: remove it, and make it anew.": "A conexão {} não tem mais sessão: exclua-a e crie-a de novo.",
  "Left-overs could not be looked for ({}).": "As sobras não puderam ser procuradas ({}).",
  "The files of session {} belong to no connection: see data/sessions, and remove them if nobody misses them.": "Os arquivos da sessão {} não são de nenhuma conexão: veja data/sessions e apague-os se ninguém sentir falta.",
};

const known = Object.entries(causes).map(([en, pt]) => [new RegExp(`^${en.split("{}").map(plain).join("(.+?)")}$`, "s"), pt]);
const WAITING = / \((\d+) rows wait\)$/;

/** Answer what is wrong in Portuguese, or "" where only the service's own English is known. */
export function inPortuguese(sentence) {
  const waiting = WAITING.exec(sentence);
  const bare = sentence.replace(WAITING, "");
  for (const [pattern, pt] of known) {
    const found = pattern.exec(bare);
    if (!found) continue;
    const values = found.slice(1);
    const text = pt.replace(/\{\}/g, () => said(values.shift() ?? ""));
    return waiting ? `${text} (na fila: ${waiting[1]})` : text;
  }
  return "";
}

/** A value may be a sentence itself. */
function said(value) {
  return inPortuguese(value) || value;
}

function plain(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
