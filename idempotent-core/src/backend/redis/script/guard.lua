if unreadable then
  return {'unreadable'}
end
